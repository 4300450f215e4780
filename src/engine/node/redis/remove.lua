-- KEYS: an item; if it is a record, its lock
-- ARGV: its CAS
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
redis.call('DEL', KEYS[1])
if KEYS[2] then
  disturb(KEYS[2])
end
return 1
