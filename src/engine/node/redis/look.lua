-- KEYS: an item
--
-- In one step: an item that is stored anew in between has another life.
return {item(KEYS[1]), redis.call('PTTL', KEYS[1])}
