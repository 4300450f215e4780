-- KEYS: lock, record, list, count
-- ARGV: the lock's CAS, a grant, its life in seconds
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
give(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[3])
return 1
