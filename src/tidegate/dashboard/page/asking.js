// Asks the server, again and again while the page is seen; what goes wrong becomes a sentence with what to do.

export class Trouble extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const GONE =
  "No answer from the server. If it was stopped, start it again; if it is on a cluster, start kubectl port-forward again. " +
  "What is below is old; this page goes on trying.";
const OWN = "This page cannot draw what it was told: reload it, and if that does not help, tell whoever wrote it.";
const ENDED = "This visit has ended, because the token is another now: open the newest link of the dashboard.";

async function answered(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", redirect: "error" });
  } catch {
    throw new Trouble(0, GONE);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) throw new Trouble(401, ENDED);
  let message = `The server answered ${answer.status}.`;
  try {
    message = (await answer.json()).message ?? message;
  } catch {
    // It was no JSON: the status says enough.
  }
  throw new Trouble(answer.status, message);
}

export async function json(path) {
  return (await answered(path)).json();
}

export async function text(path) {
  return (await answered(path)).text();
}

/** Calls `ask` now and `pause` seconds after each answer, later while it fails, and not while nobody looks. */
export class Repeating {
  constructor(pause, ask, onTrouble) {
    Object.assign(this, { pause, ask, onTrouble, failures: 0, isOver: false, timer: 0, isBusy: false });
    this.seen = () => {
      if (!document.hidden) this.now();
    };
    document.addEventListener("visibilitychange", this.seen);
    this.now();
  }

  async now() {
    clearTimeout(this.timer);
    if (this.isBusy || this.isOver) {
      this.isAgain = this.isBusy;
      return;
    }
    this.isBusy = true;
    try {
      await this.ask(() => this.isOver);
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      const isTold = error instanceof Trouble;
      if (!this.isOver) this.onTrouble(isTold ? error : new Trouble(-1, `${OWN} (${error.name}: ${error.message})`));
      if (!isTold) throw error;
    } finally {
      this.isBusy = false;
      if (this.isAgain) {
        this.isAgain = false;
        this.now();
      } else if (!this.isOver && !document.hidden) {
        const wait = Math.min(15, this.pause * 2 ** Math.min(this.failures, 4));
        this.timer = setTimeout(() => this.now(), 1000 * wait);
      }
    }
  }

  end() {
    this.isOver = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
  }
}
