/** A mistake of the person at the keyboard: one line saying what was given and what is accepted. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/**
 * The error for a name that is not in a list.
 *
 * Shape: "unknown machine 'skylake'; did you mean 'skylake-sp'? known: skylake-sp, zen4".
 */
export function unknownName(kind: string, given: string, accepted: readonly string[]): UsageError {
  const near = nearestName(given, accepted);
  const hint = near === undefined ? "" : ` did you mean '${near}'?`;
  const known = [...accepted].sort().join(", ");
  return new UsageError(`unknown ${kind} '${given}';${hint} known: ${known}`);
}

/** The accepted name that a typist most likely meant, or undefined when none is near. */
export function nearestName(given: string, accepted: readonly string[]): string | undefined {
  const wanted = given.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const name of accepted) {
    // The first part of a long name is the commonest short form: "skylake" for "skylake-sp".
    const starts = wanted.length >= 3 && name.toLowerCase().startsWith(wanted);
    const distance = starts ? 1 : editDistance(wanted, name.toLowerCase());
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`. */
export function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        previous[column]! + 1,
        current[column - 1]! + 1,
        previous[column - 1]! + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, beforePrevious[column - 2]! + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[to.length]!;
}

/** Errors that are the person's to mend, whichever part of the program raised them. */
const personsErrors: ReadonlySet<string> = new Set(["UsageError", "InputError", "AssembleError"]);

/** Told by name, so that no part has to be loaded only to compare classes. */
export function isPersonsError(error: unknown): error is Error {
  return error instanceof Error && personsErrors.has(error.name);
}
