/*
 * Copies of a whole machine, so that a search can go on from a state in more than one way. Nothing has to be declared for it: whatever a
 * class of the twin keeps is copied. So these classes have no `#private` members, which a copy would lack; using one then throws TypeError.
 */

/** A deep copy in which objects that were the same still are; those in `shared`, and functions, are not copied. */
export function copyOf<T>(value: T, shared: readonly object[]): T {
  return copied(value, new Map(shared.map((object) => [object, object])));
}

function copied<T>(value: T, known: Map<object, object>): T {
  if (typeof value !== "object" || value === null) return value;
  const found = known.get(value);
  if (found !== undefined) return found as T;
  if (Array.isArray(value)) return copiedArray(value, known) as T;
  if (value instanceof Map) return copiedMap(value, known) as T;
  if (value instanceof Set) return copiedSet(value, known) as T;
  const copy = Object.create(Object.getPrototypeOf(value));
  known.set(value, copy);
  for (const name of Object.keys(value)) copy[name] = copied(value[name as keyof T], known);
  return copy;
}

function copiedArray(value: readonly unknown[], known: Map<object, object>): unknown[] {
  // No array of the twin mixes objects with others; most hold the words of a record.
  if (typeof value[0] !== "object") return value.slice();
  const copy: unknown[] = [];
  known.set(value, copy);
  for (const member of value) copy.push(copied(member, known));
  return copy;
}

function copiedMap(value: ReadonlyMap<unknown, unknown>, known: Map<object, object>): object {
  const copy = new Map<unknown, unknown>();
  known.set(value, copy);
  for (const [key, member] of value) copy.set(copied(key, known), copied(member, known));
  return copy;
}

function copiedSet(value: ReadonlySet<unknown>, known: Map<object, object>): object {
  const copy = new Set<unknown>();
  known.set(value, copy);
  for (const member of value) copy.add(copied(member, known));
  return copy;
}
