/** The adversary on real mechanisms: how many states and transitions a second of the host pays for. */
import { searchCase } from "../src/engine/search.js";
import { scenarioNamed } from "../src/scenario/all.js";
import { type Contestant, type Counts, cpuTime, type Pass, type Timing, timingOf } from "./passes.js";

export interface AdversaryRow {
  /** SCENARIO/VARIANT. */
  readonly search: string;
  readonly state: Timing;
  readonly transition: Timing;
  /** Shortest time, in milliseconds, before the first state stands: assembling the case and doing its setup. */
  readonly setup: number;
  readonly counts: Counts;
}

interface SearchPass extends Pass {
  readonly setupNanoseconds: number;
}

/** One variant, searched from its first state to so many, or to the last, in every pass. */
class VariantSearch implements Contestant<SearchPass> {
  readonly name: string;
  readonly #scenario: string;
  readonly #variant: string;
  readonly #states: number;

  constructor(name: string, states: number) {
    this.name = name;
    [this.#scenario, this.#variant] = name.split("/") as [string, string];
    this.#states = states;
  }

  async pass(): Promise<SearchPass> {
    const { variants } = await scenarioNamed(this.#scenario);
    const start = cpuTime();
    let opened = start;
    const { states, transitions, violations } = searchCase(variants[this.#variant]!.build(), {
      states: this.#states,
      count: true,
      onOpen: () => {
        opened = cpuTime();
      },
    });
    const nanoseconds = cpuTime() - opened;
    return { nanoseconds, setupNanoseconds: opened - start, counts: { states, transitions, violations } };
  }
}

/** Each variant in turn. The first pass warms up. */
export async function measureAdversary(
  names: readonly string[],
  { states, rounds }: { readonly states: number; readonly rounds: number },
): Promise<AdversaryRow[]> {
  const rows: AdversaryRow[] = [];
  for (const name of names) {
    const search = new VariantSearch(name, states);
    await search.pass();
    const passes: SearchPass[] = [];
    for (let round = 0; round < rounds; round++) passes.push(await search.pass());
    const { counts } = passes[0]!;
    rows.push({
      search: name,
      state: timingOf(passes, counts.states!),
      transition: timingOf(passes, counts.transitions!),
      setup: Math.min(...passes.map(({ setupNanoseconds }) => setupNanoseconds)) / 1e6,
      counts,
    });
  }
  return rows;
}
