/**
 * Measuring by turns: whoever is compared runs alternately, so that what disturbs the machine disturbs both alike.
 *
 * Time is time on the CPU, of all threads of a process: what another process takes of a core does not count, though it does cost
 * caches. On an idle machine it is the time on the wall, as hardly anything here runs beside the main thread.
 */

/** Numbers that must not depend on who computed them, by name. */
export type Counts = Readonly<Record<string, number>>;

/** One run over the same work, as long as a contestant measured it itself. Time is on the CPU. */
export interface Pass {
  readonly nanoseconds: number;
  readonly counts: Counts;
}

export interface Contestant<P extends Pass = Pass> {
  readonly name: string;
  /** Runs the work once more, from the state that the pass before left. */
  pass(): P | Promise<P>;
  close?(): void;
}

/** Nanoseconds that this process has been on a CPU. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** Each contestant runs once a round: forward in even rounds, backward in odd ones. Returns the passes of each, in their order. */
export async function byTurns<P extends Pass>(
  contestants: readonly Contestant<P>[],
  rounds: number,
): Promise<P[][]> {
  const measured: P[][] = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = round % 2 === 0 ? turn : contestants.length - 1 - turn;
      measured[index]!.push(await contestants[index]!.pass());
    }
  }
  return measured;
}

export interface Timing {
  /** Nanoseconds for one unit of work. */
  readonly best: number;
  readonly median: number;
}

/** Best and median time of a unit of work, of which every pass did `units`. */
export function timingOf(passes: readonly Pass[], units: number): Timing {
  const sorted = passes.map(({ nanoseconds }) => nanoseconds / units).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { best: sorted[0]!, median };
}

/** The first difference between what two contestants counted, pass by pass, as a sentence; undefined when there is none. */
export function differenceOf(
  names: readonly [string, string],
  a: readonly Pass[],
  b: readonly Pass[],
): string | undefined {
  for (const [round, { counts }] of a.entries()) {
    for (const [name, value] of Object.entries(counts)) {
      const other = b[round]?.counts[name];
      if (other !== value)
        return `in pass ${round} ${names[0]} counts ${value} ${name}, ${names[1]} ${other}`;
    }
  }
  return undefined;
}
