/** States from which no end can be reached, found in the edges that a search has kept (assembly/edges.ts). */

const HEADER = 16;
const EDGE_BYTES = 16;

interface Graph {
  /** By fingerprint. */
  readonly numbers: ReadonlyMap<bigint, number>;
  readonly edges: readonly (readonly [from: number, to: bigint])[];
  readonly ends: readonly number[];
}

/**
 * Of those states the one that is reached soonest; undefined when an end can be reached from every state.
 *
 * `first` is the address of the first block of edges, `states` the number of states, all of which were expanded.
 */
export function stateWithoutEnd(words: Uint32Array, first: number, states: number): number | undefined {
  const { numbers, edges, ends } = readEdges(words, first);
  const before: number[][] = Array.from({ length: states }, () => []);
  for (const [from, to] of edges) before[numbers.get(to)!]!.push(from);
  const leadsToEnd = new Uint8Array(states);
  const open = [...ends];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (leadsToEnd[state] === 1) continue;
    leadsToEnd[state] = 1;
    open.push(...before[state]!);
  }
  // Numbers rise with the length of the way.
  const state = leadsToEnd.indexOf(0);
  return state < 0 ? undefined : state;
}

function readEdges(words: Uint32Array, first: number): Graph {
  const numbers = new Map<bigint, number>();
  const edges: [number, bigint][] = [];
  const ends: number[] = [];
  for (let block = first; block !== 0; block = words[block / 4]!) {
    const end = words[block / 4 + 1]!;
    for (let at = block + HEADER; at < end; at += EDGE_BYTES) {
      const [low, high, from, to] = words.subarray(at / 4, at / 4 + 4) as unknown as [
        number,
        number,
        number,
        number,
      ];
      const print = (BigInt(high) << 32n) | BigInt(low);
      if (print === 0n) ends.push(from);
      else {
        if (to !== 0xffffffff) numbers.set(print, to);
        edges.push([from, print]);
      }
    }
  }
  return { numbers, edges, ends };
}
