-- KEYS: count
local waiting = tonumber(redis.call('GET', KEYS[1])) or 0
if waiting > 1 then
  redis.call('DECR', KEYS[1])
else
  redis.call('DEL', KEYS[1])
end
return 1
