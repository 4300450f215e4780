-- KEYS: an item; with it the lock that is given back, queue, list
-- ARGV: PERSIST, EXPIRE or EXPIREAT and its number; the lock's CAS, the life of a lock in seconds
if ARGV[1] == 'PERSIST' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call(ARGV[1], KEYS[1], ARGV[2])
end
if KEYS[2] and cas(KEYS[2]) == ARGV[3] then
  give(KEYS[2], KEYS[3], KEYS[4], ARGV[4])
end
return cas(KEYS[1])
