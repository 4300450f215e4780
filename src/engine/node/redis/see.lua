-- KEYS: a lock
return item(KEYS[1])
