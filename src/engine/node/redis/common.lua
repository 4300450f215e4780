-- An item. A lock that was handed on is a list with one value.
local function item(key)
  if redis.call('TYPE', key).ok == 'list' then
    return redis.call('LINDEX', key, 0)
  end
  return redis.call('GET', key)
end

-- What a value begins with: the CAS that its writer has drawn.
local function cas(key)
  if redis.call('TYPE', key).ok == 'list' then
    return string.sub(redis.call('LINDEX', key, 0), 1, 8)
  end
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

-- A record was written by somebody who has not its lock: for those who watch the lock alone. One
-- without any time left ends.
local function disturb(lock)
  local left_ms = redis.call('PTTL', lock)
  if left_ms >= 0 then
    redis.call('PEXPIRE', lock, left_ms)
  end
end

-- Ends a lock. If somebody waits, it is his from now on who stands first in the queue, and the list
-- gives it to the first who blocks.
local function give(lock, queue, list, life)
  -- First of all: behind a write, none is refused for want of memory.
  redis.call('DEL', lock, list)
  local turn = redis.call('RPOPLPUSH', queue, lock)
  if turn then
    redis.call('EXPIRE', lock, life)
    redis.call('RPUSH', list, turn)
    redis.call('EXPIRE', list, life)
  end
end

