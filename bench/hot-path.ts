/** The hot path: user accesses through TLBs, walks, A and D bits, rights and the clock, beside the same model in C. */
import type { MachineNumbers } from "../src/machine/preset.js";
import { HotWorld } from "./hot-world.js";
import { byTurns, type Counts, differenceOf, type Timing, timingOf } from "./passes.js";
import { makeStream, type StreamKind } from "./streams.js";
import { type CompiledTwin, Twin } from "./twin.js";

export interface HotPathRow {
  readonly stream: string;
  readonly engine: Timing;
  /** Absent where there is no C compiler. */
  readonly c?: Timing;
  /** What the last pass counted. */
  readonly counts: Counts;
  /** Where engine and C disagree, as a sentence. */
  readonly difference?: string;
}

/** Rounds before those that count: in them the engine's code is compiled a second time, in the background. */
export const WARM_UP = 3;

/** Measures one stream. What warms up is compared, too: in the first pass all pages get their A and D bits. */
export async function measureHotPath(
  kind: StreamKind,
  machine: MachineNumbers,
  { accesses, rounds }: { readonly accesses: number; readonly rounds: number },
  compiled: CompiledTwin | undefined,
): Promise<HotPathRow> {
  const stream = makeStream(kind, accesses);
  const engine = new HotWorld(stream, machine, { name: "the engine", build: "release", oracle: true });
  const twin = compiled === undefined ? undefined : new Twin(compiled, stream);
  try {
    const contestants = twin === undefined ? [engine] : [engine, twin];
    const [enginePasses, twinPasses] = await byTurns(contestants, WARM_UP + rounds);
    const difference = twinPasses && differenceOf([engine.name, "C"], enginePasses!, twinPasses);
    return {
      stream: kind.name,
      engine: timingOf(enginePasses!.slice(WARM_UP), accesses),
      ...(twinPasses && { c: timingOf(twinPasses.slice(WARM_UP), accesses) }),
      counts: enginePasses!.at(-1)!.counts,
      ...(difference !== undefined && { difference }),
    };
  } finally {
    twin?.close();
  }
}
