-- KEYS: a lock; ARGV: the grant's CAS, the lock's value, its life in seconds
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then return 0 end
-- Behind a write, none is refused for want of memory.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
