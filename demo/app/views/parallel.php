<section>
  <div class="heading">
    <div>
      <h1>50 requests at once, one session</h1>
      <p>Each reads a counter, works a little and writes it back one higher. If two of them held the
        session at the same time, one of the two would be lost.</p>
    </div>
    <form id="fire" class="controls">
      <label>Work while holding the session
        <select name="work_ms">
          <option value="0">none</option>
          <option value="2" selected>2 ms</option>
          <option value="20">20 ms</option>
        </select>
      </label>
      <button>Fire 50 requests</button>
    </form>
  </div>
  <div class="tiles" aria-live="polite">
    <div class="tile"><b id="counted">–</b><span>counted</span></div>
    <div class="tile"><b id="workers">–</b><span>workers</span></div>
    <div class="tile"><b id="wait-median">–</b><span>median wait</span></div>
    <div class="tile"><b id="wait-longest">–</b><span>longest wait</span></div>
    <div class="tile"><b id="elapsed">–</b><span>for all of them</span></div>
  </div>
  <figure class="card">
    <svg id="timeline" role="img"
      aria-label="When each request waited for and held the session"></svg>
    <figcaption>
      <span class="key"><i class="swatch wait"></i> waiting for the session</span>
      <span class="key"><i class="swatch held"></i> holding it</span>
      <span id="legend"></span>
    </figcaption>
  </figure>
  <p class="note">One line per request, in the order they got the session; a colour per php-fpm
    worker. A browser keeps about six connections to one server, so at most six wait at a time.</p>
  <noscript>
    <p class="flash">This page needs JavaScript: it is the browser that sends the requests.</p>
  </noscript>
</section>
