-- KEYS: lock, record, list, count
-- ARGV: the lock's value, its life in seconds, those of a grant and of the count
local lock = redis.call('GET', KEYS[1])
local grant = redis.call('LPOP', KEYS[3])
local granted = lock and grant and string.sub(grant, 1, 8) == string.sub(lock, 1, 8)
if granted and redis.call('PTTL', KEYS[1]) > ARGV[3] * 1000 - 100 then
  -- It was meant for somebody who is counted no more, and has had no time yet to come for it. One
  -- that lies there for longer was meant for somebody who has died.
  redis.call('INCR', KEYS[4])
  redis.call('EXPIRE', KEYS[4], ARGV[4])
end
if granted or not lock then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
  return {1, redis.call('GET', KEYS[2])}
end
redis.call('INCR', KEYS[4])
redis.call('EXPIRE', KEYS[4], ARGV[4])
return {0, lock}
