-- KEYS: record, lock, list, count
-- ARGV: the record's CAS or '', the record, '' or EX or EXAT and its number, the lock's CAS,
--       a grant, its life in seconds
-- Answers 1: stored; 0: another record; -1: no record; -2: somebody else has the lock.
local holder = cas(KEYS[2])
local mine = holder == ARGV[5]
local result
if not mine and holder ~= '' then
  result = -2
elseif cas(KEYS[1]) ~= ARGV[1] then
  result = refused(KEYS[1])
else
  result = store(KEYS[1], ARGV[2], ARGV[3], ARGV[4])
end
if mine and type(result) == 'table' then
  -- No room: that goes for a grant too.
  redis.call('DEL', KEYS[2])
elseif mine then
  give(KEYS[2], KEYS[1], KEYS[3], KEYS[4], ARGV[6], ARGV[7], result == 1 and ARGV[2])
end
return result
