-- KEYS: lock, queue, list
-- ARGV: what the lock is to say, its life in seconds, the life of the queue in seconds
-- Answers what the lock says, if somebody has it.
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
local lock = item(KEYS[1])
if not lock then
  give(KEYS[1], KEYS[2], KEYS[3], ARGV[2])
end
return lock
