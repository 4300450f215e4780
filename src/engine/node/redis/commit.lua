-- KEYS: record, lock, queue, list
-- ARGV: the record's CAS or '', the record, '' or EX or EXAT and its number, the lock's CAS,
--       the life of a lock in seconds
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
if mine then
  give(KEYS[2], KEYS[3], KEYS[4], ARGV[6])
end
return result
