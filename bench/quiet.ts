/** Whether this program had the machine's cores to itself: a figure of two threads says nothing when another program has one of them. */
import { readdirSync, readFileSync } from "node:fs";

/** Share of a core that others may use, and of the time that our threads may wait for one. */
const OTHERS_MOST = 0.12;
const WAIT_MOST = 0.04;
/** Of /proc/stat. */
const TICKS_PER_SECOND = 100;

export interface Sample {
  /** Seconds: wall clock, all cores busy, this process on a core, its threads waiting for one. */
  readonly wall: number;
  readonly busy: number;
  readonly own: number;
  readonly waited: number;
}

/** Undefined where there is no /proc. */
export function sampleHost(): Sample | undefined {
  try {
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync(
      "/proc/stat",
      "utf8",
    )
      .split("\n")[0]!
      .trim()
      .split(/\s+/)
      .slice(1)
      .map(Number);
    const usage = process.cpuUsage();
    return {
      wall: performance.now() / 1000,
      busy: (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND,
      own: (usage.user + usage.system) / 1e6,
      waited: waitedSeconds(),
    };
  } catch {
    return undefined;
  }
}

/** Whether nobody else disturbed what ran between two samples. */
export function wasQuiet(before: Sample | undefined, after: Sample | undefined): boolean {
  if (before === undefined || after === undefined) return false;
  const wall = after.wall - before.wall;
  const others = after.busy - before.busy - (after.own - before.own);
  return others < OTHERS_MOST * wall && after.waited - before.waited < WAIT_MOST * wall;
}

/** Seconds that threads of this process could have run and had no core: the second field of schedstat, in nanoseconds. */
function waitedSeconds(): number {
  return readdirSync("/proc/self/task")
    .map((task) => Number(readFileSync(`/proc/self/task/${task}/schedstat`, "utf8").split(" ")[1]))
    .reduce((sum, waited) => sum + waited / 1e9, 0);
}
