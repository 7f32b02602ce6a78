import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Simulated CPUs for each thread of one simulation, below which a further thread gains less than meeting it costs. */
const CPUS_PER_THREAD = 32;

export interface Division {
  /** Simulations that run at the same time. */
  readonly sideBySide: number;
  /** Threads that share each of them. */
  readonly each: number;
}

/**
 * How `runs` simulations of `cpus` CPUs share threads. Two simulations with a thread each are done sooner than two in a
 * row with two each, so runs come first, and what is left is shared by each of them. Without a number that was asked for,
 * it is as many as the host can keep busy, and no more for a simulation than help it.
 */
export function divideThreads(
  runs: number,
  cpus: number,
  asked: number | undefined,
  usable = usableThreads(),
): Division {
  const threads = asked ?? usable;
  const sideBySide = Math.max(1, Math.min(runs, threads));
  const useful = asked === undefined ? Math.floor(cpus / CPUS_PER_THREAD) : cpus;
  return { sideBySide, each: Math.max(1, Math.min(Math.floor(threads / sideBySide), useful)) };
}

/**
 * How many threads this process may really keep busy: the CPUs of its affinity mask, and no more than the quota of
 * its control group, which os.availableParallelism() does not look at on Node 20.
 */
export function usableThreads(read: (path: string) => string = readText): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota(read))));
}

/** CPUs that the control group grants, Infinity without a limit. Version 2 first, then version 1. */
function quota(read: (path: string) => string): number {
  let granted = Number.POSITIVE_INFINITY;
  for (const folder of ancestors(groupPath(read))) {
    const [limit, period] = read(`/sys/fs/cgroup${folder}/cpu.max`).trim().split(" ");
    granted = Math.min(granted, ratio(limit, period));
  }
  const limit = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").trim();
  const period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us").trim();
  return Math.min(granted, ratio(limit, period));
}

/** "max", "-1", an empty file and nonsense all mean: no limit. */
function ratio(limit: string | undefined, period: string | undefined): number {
  const granted = Number(limit) / Number(period);
  return granted > 0 ? granted : Number.POSITIVE_INFINITY;
}

/** "/user.slice/job" of the line "0::/user.slice/job"; "" at the root, or where there is no version 2. */
function groupPath(read: (path: string) => string): string {
  const line = read("/proc/self/cgroup")
    .split("\n")
    .find((candidate) => candidate.startsWith("0::"));
  const path = line?.slice(3) ?? "";
  return path === "/" ? "" : path;
}

/** A limit on a parent group binds its children too: "/a/b", "/a" and "". */
function ancestors(path: string): string[] {
  const folders = [path];
  for (let at = path.lastIndexOf("/"); at >= 0; at = path.lastIndexOf("/", at - 1)) {
    folders.push(path.slice(0, at));
    if (at === 0) break;
  }
  return folders;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
