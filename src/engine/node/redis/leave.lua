-- KEYS: lock, queue, list
-- ARGV: what the lock is to say, its life in seconds
-- Whoever asks this waits no more. If he was just given the lock, and nobody else has seen that, it
-- is the next one's.
local stood = redis.call('LREM', KEYS[2], 1, ARGV[1])
if stood == 0 and item(KEYS[1]) == ARGV[1] and redis.call('LLEN', KEYS[3]) > 0 then
  give(KEYS[1], KEYS[2], KEYS[3], ARGV[2])
end
return 1
