-- KEYS: lock, queue, list
-- ARGV: the lock's CAS, the life of a lock in seconds
if cas(KEYS[1]) ~= ARGV[1] then
  return refused(KEYS[1])
end
give(KEYS[1], KEYS[2], KEYS[3], ARGV[2])
return 1
