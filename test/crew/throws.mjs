/** A thread of a crew that gives up: for test/crew.test.ts. */
export function helpWorld() {
  throw new Error("out of breath");
}
