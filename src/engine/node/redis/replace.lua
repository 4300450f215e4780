-- KEYS: an item; if it is a record, its lock
-- ARGV: its CAS, the new value, '' or EX or EXAT and its number
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
local done = store(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
if KEYS[2] then
  disturb(KEYS[2])
end
return done
