-- KEYS: lock, record, list, count
-- ARGV: a grant, its life in seconds, the life of the count in seconds
-- Whoever asks this has blocked before, over a connection at which a grant arrives at once: one that
-- lies there says that the server has lost it, or cannot be heard over it.
local lies = redis.call('LLEN', KEYS[3])
local has_ended = lies == 0 and cas(KEYS[1]) == ''
-- As in `give`: nothing behind it is refused for want of memory.
if has_ended then
  redis.call('DEL', KEYS[1])
end
-- Somebody waits who asks this, whatever the count says.
if (tonumber(redis.call('GET', KEYS[4])) or 0) < 1 then
  redis.call('SET', KEYS[4], 1, 'EX', ARGV[3])
end
if has_ended then
  give(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2])
end
return {lies, redis.call('GET', KEYS[1])}
