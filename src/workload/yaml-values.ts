/** Values of workload files that need more than one look: pages, rights, streams. */
import type { YamlFile, YamlPath } from "../yaml-file.js";
import { pageBytes } from "./feed.js";
import type { StreamSpec } from "./stream.js";
import { tableElementsMax } from "./stream-tables.js";
import { bytesFrom, countFrom, shareFrom } from "./units.js";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "./vma-word.js";
import type { rightsNames, StreamText } from "./yaml-schema.js";

export const rightsBits: Readonly<Record<(typeof rightsNames)[number], number>> = {
  none: 0,
  r: PROT_READ,
  rw: PROT_READ | PROT_WRITE,
  rx: PROT_READ | PROT_EXEC,
  rwx: PROT_READ | PROT_WRITE | PROT_EXEC,
};

/** A whole number of pages, at least one. */
export function pagesFrom(yaml: YamlFile, size: string, path: YamlPath): number {
  const pages = bytesFrom(size)! / pageBytes;
  if (!Number.isInteger(pages) || pages < 1)
    throw yaml.error(path, `expected a whole number of pages of 4 KiB; got '${size}'`);
  return pages;
}

/** What a stream goes over: so many elements of so many bytes. */
interface Over {
  readonly elements: number;
  /** Undefined where elements have no size, as files. */
  readonly grain: number | undefined;
}

/** A stream over these elements. Throws: UsageError when it does not fit them. */
export function streamFrom(yaml: YamlFile, text: StreamText, over: Over, path: YamlPath): StreamSpec {
  const elementsOf = (size: string, key: string): number => {
    const elements = over.grain === undefined ? Number.NaN : bytesFrom(size)! / over.grain;
    if (!Number.isInteger(elements) || elements < 1)
      throw yaml.error(
        [...path, key],
        `expected a multiple of ${over.grain ?? "nothing: files have no"} bytes; got '${size}'`,
      );
    return elements;
  };
  const spec = typeof text === "string" ? { kind: text } : text;
  switch (spec.kind) {
    case "sequential":
    case "uniform":
      return { kind: spec.kind };
    case "zipf":
    case "chase":
      if (over.elements > tableElementsMax)
        throw yaml.error(
          path,
          `expected at most ${tableElementsMax} elements for ${spec.kind}; these are ${over.elements}`,
        );
      return spec.kind === "chase"
        ? { kind: "chase" }
        : { kind: "zipf", s: "s" in spec ? Number(spec.s) : 0.99 };
    case "strided":
      return { kind: "strided", stride: elementsOf(spec.stride, "stride") };
    case "hot-cold":
      return { kind: "hot-cold", hot: shareFrom(spec.hot), often: shareFrom(spec.often) };
    case "phases": {
      const every = countFrom(spec.every);
      if (every < 1) throw yaml.error([...path, "every"], "expected at least 1 access; got 0");
      const window = Math.min(over.elements, elementsOf(spec.window, "window"));
      const within = streamFrom(yaml, spec.within ?? "uniform", { ...over, elements: window }, [
        ...path,
        "within",
      ]);
      return { kind: "phases", every, window, within };
    }
  }
}
