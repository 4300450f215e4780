-- KEYS: an item
-- ARGV: its CAS, the new value, '' or EX or EXAT and its number
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
return store(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
