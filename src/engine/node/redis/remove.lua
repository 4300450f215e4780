-- KEYS: an item
-- ARGV: its CAS
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
redis.call('DEL', KEYS[1])
return 1
