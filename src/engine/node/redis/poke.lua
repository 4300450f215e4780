-- KEYS: lock, queue, list
-- ARGV: what the lock is to say, its life in seconds, the life of the queue in seconds
-- Whoever asks this has blocked before, over a connection to which a lock is given at once: one that
-- lies in the list says that the server has lost it, or cannot be heard over it.
local lies = redis.call('LLEN', KEYS[3])
local lock = item(KEYS[1])
local has_ended = lies == 0 and not lock
-- As in `give`: nothing behind it is refused for want of memory.
if has_ended then
  redis.call('DEL', KEYS[1])
end
-- Somebody waits who asks this, whatever is in the queue.
if lies == 0 and lock ~= ARGV[1] and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('RPUSH', KEYS[2], ARGV[1])
end
redis.call('EXPIRE', KEYS[2], ARGV[3])
if has_ended then
  give(KEYS[1], KEYS[2], KEYS[3], ARGV[2])
  lock = item(KEYS[1])
end
return {lies, lock}
