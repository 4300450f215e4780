<?php
declare(strict_types=1);

/** What has happened so far: what the terminal and the page show, and what the count is held to. */
final class Tally
{
    public string $phase = 'starting';
    public float $elapsed_s = 0;
    /** @var array<int, string> cookie by session */
    public array $cookies = [];
    /** @var array<int, int> acknowledged increments by session */
    public array $acknowledged;
    /** @var array<int, int> increments under way by session */
    public array $under_way;
    /** Increments that were sent while another of the same session was under way. */
    public int $contended = 0;
    public int $refused = 0;
    /** @var array<string, int> how often each error refused a request */
    public array $errors = [];
    /** @var array<int, array> by server: answers, workers, and sessclust's counters or null */
    public array $servers;
    /** @var list<array> by node: the numbers of the sessions that it has */
    public array $placed = [];
    /**
     * @var list<array> by tick: its time in seconds, then increments of each server and refusals,
     * all three a second
     */
    public array $history = [];
    /** What the last tick knew: time, answers of each server, refusals. */
    private array $last = [0.0, 0, 0, 0];
    /**
     * How many session_start() took how long, in classes that are an eighth of a doubling wide:
     * class => count. Percentiles are right to a tenth.
     */
    private array $starts = [];
    public int $longest_start_us = 0;
    /** Which node was killed and when, in words; empty if none was. */
    public string $event = '';
    /** Results of the count, as row() takes them. */
    public array $results = [];

    public function __construct(int $sessions, public readonly array $nodes)
    {
        $this->acknowledged = $this->under_way = array_fill(0, $sessions, 0);
        $server = ['answers' => 0, 'workers' => [], 'counters' => null];
        $this->servers = [1 => $server, 2 => $server];
    }

    public function sent(int $session): void
    {
        $this->contended += (int) ($this->under_way[$session]++ > 0);
    }

    public function answered(Request $request): void
    {
        $this->under_way[$request->session]--;
        $answer = $request->answer;
        if ($request->status !== 200) {
            $this->refused++;
            // Without ids, process numbers and the like, so that the same error is the same text.
            $error = preg_replace('/\b(?=\w*\d)\w{3,}/', '…', $answer['error']);
            $this->errors[$error] = ($this->errors[$error] ?? 0) + 1;
            return;
        }
        $this->acknowledged[$request->session]++;
        $server = &$this->servers[$answer['server']];
        $server['answers']++;
        $server['workers'][$answer['worker']] = true;
        $server['counters'] = $answer['counters'];
        $class = (int) (8 * log(max($answer['start_us'], 1), 2));
        $this->starts[$class] = ($this->starts[$class] ?? 0) + 1;
        $this->longest_start_us = max($this->longest_start_us, $answer['start_us']);
    }

    public function total(): int
    {
        return array_sum($this->acknowledged);
    }

    /** Microseconds within which session_start() was done for the share; null before the first. */
    public function start_us(float $share): ?float
    {
        $rank = $share * array_sum($this->starts);
        ksort($this->starts);
        foreach ($this->starts as $class => $count) {
            $rank -= $count;
            if ($rank <= 0) {
                return min(2 ** (($class + 1) / 8), $this->longest_start_us);
            }
        }
        return null;
    }

    /** Asks the nodes, and notes the rates since the last tick. */
    public function tick(float $elapsed_s): void
    {
        $this->elapsed_s = $elapsed_s;
        $now = [$elapsed_s, $this->servers[1]['answers'], $this->servers[2]['answers'],
            $this->refused];
        $grown = array_map(fn ($new, $old) => $new - $old, $now, $this->last);
        $span_s = array_shift($grown);
        $this->history[] = [
            $elapsed_s, ...array_map(fn ($count) => (int) round($count / $span_s), $grown),
        ];
        $this->last = $now;
        $this->ask_nodes();
    }

    /** Kills the last node, while requests for its sessions are under way. */
    public function kill_node(): void
    {
        $last = array_key_last($this->nodes);
        $this->nodes[$last]->kill();
        $this->event = sprintf('%s with copies of %d sessions, after %.1f s',
            $this->nodes[$last]->name, count($this->placed[$last]), $this->elapsed_s);
    }

    public function ask_nodes(): void
    {
        $numbers = array_flip(array_map(record_key(...), $this->cookies));
        foreach ($this->nodes as $i => $node) {
            $node->ask(array_keys($numbers));
            $this->placed[$i] = array_values(array_intersect_key($numbers, $node->has));
        }
    }
}

/** The key under which the nodes have the session with this cookie. */
function record_key(string $cookie): string
{
    global $handler;
    $id = explode('=', $cookie, 2)[1];
    // sessclust's is made in src/engine/session/id.rs.
    return $handler === 'sessclust' ? 'sc:r:' . hash('sha256', "sessclust session 1\0$id")
        : "memc.sess.key.$id";
}
