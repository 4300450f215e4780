-- What a value begins with: the CAS that its writer has drawn.
local function cas(key)
  return redis.call('GETRANGE', key, 0, 7)
end

-- An item has another CAS than was wanted: 0 if there is an item, -1 if there is none.
local function refused(key)
  return redis.call('EXISTS', key) - 1
end

-- Stores a value with its life: 1, or the error that the server gives.
local function store(key, value, option, life)
  local done
  if option == '' then
    done = redis.pcall('SET', key, value)
  else
    done = redis.pcall('SET', key, value, option, life)
  end
  return done.err and done or 1
end

-- Gives a lock to the first who waits for it, with the record, if somebody does.
local function give(lock, record, list, count, grant, life, value)
  -- First of all: behind a write, none is refused for want of memory.
  redis.call('DEL', lock)
  local waiting = tonumber(redis.call('GET', count)) or 0
  if waiting < 1 then
    return
  end
  if waiting > 1 then
    redis.call('DECR', count)
  else
    redis.call('DEL', count)
  end
  redis.call('SET', lock, grant, 'EX', life)
  value = value or redis.call('GET', record) or ''
  if redis.call('RPUSH', list, string.sub(grant, 1, 8) .. value) > 1 then
    -- One that nobody took, whose lock has ended since.
    redis.call('LPOP', list)
  end
  redis.call('EXPIRE', list, life)
end

