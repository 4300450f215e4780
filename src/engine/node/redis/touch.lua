-- KEYS: an item
-- ARGV: PERSIST, EXPIRE or EXPIREAT and its number
if ARGV[1] == 'PERSIST' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call(ARGV[1], KEYS[1], ARGV[2])
end
return cas(KEYS[1])
