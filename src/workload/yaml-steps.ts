/** The steps of workload files. */
import { z } from "zod";
import { shown, unknownKey, type YamlFile, type YamlPath } from "../yaml-file.js";
import { type AccessKind, FETCH, LOAD, MODIFY, pageBytes, STORE } from "./feed.js";
import type { Plan, Step } from "./plan.js";
import { bytesFrom, countFrom, durationFrom, shareFrom } from "./units.js";
import { type StepText, type StepVerb, stepSchemas } from "./yaml-schema.js";
import { pagesFrom, rightsBits, streamFrom } from "./yaml-values.js";

const schemas = stepSchemas(z.unknown());
const verbs = Object.keys(schemas) as StepVerb[];
/** What a thread without an address space can do. */
const kernelVerbs: ReadonlySet<StepVerb> = new Set(["compute", "repeat", "sometimes", "barrier"]);

const kinds: Readonly<Record<string, AccessKind>> = {
  load: LOAD,
  store: STORE,
  modify: MODIFY,
  fetch: FETCH,
};
const advices: Readonly<Record<string, number>> = {
  ...{ dontneed: 4, free: 8, cold: 20, pageout: 21 },
  ...{ hugepage: 14, nohugepage: 15, collapse: 25 },
};
const fills: Readonly<Record<string, number>> = { copy: 0, zeropage: 1, continue: 2 };

const depthMax = 32;
/** Half an hour at 5 GHz; the simulation would not see the end of a longer one. */
const cyclesMax = 1e13;

export interface Around {
  readonly regions: Plan["regions"];
  /** Threads that can be forked. */
  readonly forked: readonly string[];
  readonly isKernel: boolean;
  readonly isForked: boolean;
  /** Threads of the group. */
  readonly count: number;
}

/** Parts at hand, and the stack, with their pages and the region that they are of. */
export type Parts = ReadonlyMap<string, { readonly pages: number; readonly root: string }>;

export class StepReader {
  readonly #yaml: YamlFile;
  readonly #around: Around;

  constructor(yaml: YamlFile, around: Around) {
    this.#yaml = yaml;
    this.#around = around;
  }

  steps(texts: readonly unknown[], path: YamlPath, parts: Parts): Step[] {
    if (path.length > 2 * depthMax)
      throw this.#yaml.error(path, `steps are nested more than ${depthMax} deep`);
    return texts.map((text, index) => this.#step(text, [...path, index], parts));
  }

  #step(value: unknown, path: YamlPath, parts: Parts): Step {
    const verb = this.#verb(value, path);
    const checked = <V extends StepVerb>(of: V) => this.#yaml.check(schemas[of], value, path) as StepText<V>;
    switch (verb) {
      case "access":
        return this.#access(checked(verb), path, parts);
      case "compute":
        return this.#compute(checked(verb), path);
      case "mmap":
        return { do: "mmap", at: this.#region(checked(verb).mmap, [...path, verb], parts) };
      case "mremap":
        return this.#mremap(checked(verb), path, parts);
      case "brk":
        return this.#brk(checked(verb), path, parts);
      case "fork":
        return this.#fork(checked(verb).fork, [...path, verb]);
      case "join":
        checked(verb);
        return { do: "join" };
      case "barrier":
        return this.#barrier(checked(verb).barrier, [...path, verb]);
      case "repeat": {
        const { repeat, steps } = checked(verb);
        return {
          do: "repeat",
          times: countFrom(repeat),
          steps: this.steps(steps, [...path, "steps"], parts),
        };
      }
      case "sometimes": {
        const { sometimes, steps } = checked(verb);
        return {
          do: "sometimes",
          share: shareFrom(sometimes),
          steps: this.steps(steps, [...path, "steps"], parts),
        };
      }
      case "part":
        return this.#part(checked(verb), path, parts);
      default:
        return this.#call(verb, value, path, parts);
    }
  }

  /** Kernel entries that take a region and some numbers. */
  #call(verb: StepVerb, value: unknown, path: YamlPath, parts: Parts): Step {
    const checked = <V extends StepVerb>(of: V) => this.#yaml.check(schemas[of], value, path) as StepText<V>;
    const at = (name: string): string => this.#region(name, [...path, verb], parts);
    switch (verb) {
      case "munmap":
        return { do: "call", entry: verb, at: at(checked(verb).munmap), args: [] };
      case "msync":
        return { do: "call", entry: verb, at: at(checked(verb).msync), args: [] };
      case "task_numa_work":
        return { do: "call", entry: verb, at: at(checked(verb).task_numa_work), args: [] };
      case "mprotect": {
        const { mprotect, rights } = checked(verb);
        return { do: "call", entry: verb, at: at(mprotect), args: [rightsBits[rights]] };
      }
      case "madvise": {
        const { madvise, advice } = checked(verb);
        return { do: "call", entry: verb, at: at(madvise), args: [advices[advice]!] };
      }
      case "uffd_fill": {
        const { uffd_fill: region, op, protected: isProtected = false } = checked(verb);
        return { do: "call", entry: verb, at: at(region), args: [fills[op]!, isProtected ? 1 : 0] };
      }
      case "userfaultfd_writeprotect": {
        const { userfaultfd_writeprotect: region, protect } = checked(verb);
        return { do: "call", entry: verb, at: at(region), args: [protect ? 1 : 0] };
      }
      default:
        checked("clear_refs");
        return { do: "call", entry: "clear_refs", args: [] };
    }
  }

  /** The key that says what a step does. */
  #verb(value: unknown, path: YamlPath): StepVerb {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#yaml.error(path, `expected a step, such as 'access: heap'; got ${shown(value)}`);
    const keys = Object.keys(value);
    const found = verbs.filter((verb) => keys.includes(verb));
    if (found.length > 1)
      throw this.#yaml.error(
        [...path, found[1]!],
        `a step does one thing; this one has '${found.join("' and '")}'`,
        "key",
      );
    const [verb] = found;
    if (verb === undefined)
      throw this.#yaml.error([...path, keys[0] ?? ""], unknownKey(keys[0] ?? "", verbs, "step"), "key");
    if (this.#around.isKernel && !kernelVerbs.has(verb))
      throw this.#yaml.error(
        [...path, verb],
        `a kernel thread has no memory: it can ${[...kernelVerbs].join(", ")}`,
        "key",
      );
    return verb;
  }

  #access(text: StepText<"access">, path: YamlPath, parts: Parts): Step {
    const at = this.#region(text.access, [...path, "access"], parts);
    const grain = text.grain === undefined ? pageBytes : bytesFrom(text.grain)!;
    const bytes = this.#pagesOf(at, parts) * pageBytes;
    if (!Number.isInteger(grain) || grain < 1 || grain > bytes)
      throw this.#yaml.error(
        [...path, "grain"],
        `expected a size from 1 B to that of '${at}'; got ${shown(text.grain)}`,
      );
    const over = { elements: Math.floor(bytes / grain), grain };
    return {
      ...{ do: "access", at, grain, kind: kinds[text.kind ?? "load"]! },
      stream: streamFrom(this.#yaml, text.stream ?? "sequential", over, [...path, "stream"]),
      stores: text.stores === undefined ? 0 : shareFrom(text.stores),
      ...(text.count !== undefined && { count: countFrom(text.count) }),
    };
  }

  #compute({ compute, spread = 0 }: StepText<"compute">, path: YamlPath): Step {
    const time = durationFrom(compute)!;
    const amount = "cycles" in time ? time.cycles : time.ns;
    if (amount > cyclesMax || ("cycles" in time && !Number.isInteger(amount)))
      throw this.#yaml.error(
        [...path, "compute"],
        `expected a whole number of cycles, or a time, of at most an hour; got '${compute}'`,
      );
    return { do: "compute", time, spread: shareFrom(spread) };
  }

  #mremap({ mremap, to }: StepText<"mremap">, path: YamlPath, parts: Parts): Step {
    const at = this.#region(mremap, [...path, "mremap"], parts);
    const target = this.#region(to, [...path, "to"], new Map());
    if (target === (parts.get(at)?.root ?? at))
      throw this.#yaml.error([...path, "to"], `expected another region than '${target}', whose pages move`);
    return { do: "mremap", at, to: target };
  }

  #brk({ brk, size }: StepText<"brk">, path: YamlPath, parts: Parts): Step {
    const at = this.#region(brk, [...path, "brk"], parts);
    if (this.#around.regions[at]?.of !== "thread" && this.#around.count > 1)
      throw this.#yaml.error(
        [...path, "brk"],
        "expected a region of threads: several threads would move one end",
      );
    const pages = bytesFrom(size) === 0 ? 0 : pagesFrom(this.#yaml, size, [...path, "size"]);
    if (pages > this.#pagesOf(at, parts))
      throw this.#yaml.error([...path, "size"], `expected at most the size of '${at}'; got '${size}'`);
    return { do: "brk", at, pages };
  }

  #fork(group: string, path: YamlPath): Step {
    if (!this.#around.forked.includes(group))
      throw this.#yaml.error(path, unknownKey(group, this.#around.forked, "threads with 'start: fork':"));
    return { do: "fork", group };
  }

  #barrier(name: string, path: YamlPath): Step {
    if (this.#around.isForked)
      throw this.#yaml.error(path, "a forked thread has nobody to wait for at a barrier", "key");
    return { do: "barrier", name };
  }

  #part(text: StepText<"part">, path: YamlPath, parts: Parts): Step {
    const { part: name } = text;
    const of = this.#region(text.of, [...path, "of"], parts);
    if (this.#around.regions[name] !== undefined || parts.has(name))
      throw this.#yaml.error([...path, "part"], `there is something called '${name}' already`);
    const pages = pagesFrom(this.#yaml, text.size, [...path, "size"]);
    const all = this.#pagesOf(of, parts);
    if (pages > all)
      throw this.#yaml.error([...path, "size"], `expected at most the size of '${of}'; got '${text.size}'`);
    const over = { elements: Math.ceil(all / pages), grain: pages * pageBytes };
    return {
      ...{ do: "part", name, of, pages },
      stream: streamFrom(this.#yaml, text.stream ?? "sequential", over, [...path, "stream"]),
      ...(text.count !== undefined && { count: countFrom(text.count) }),
      steps: this.steps(
        text.steps,
        [...path, "steps"],
        new Map([...parts, [name, { pages, root: parts.get(of)?.root ?? of }]]),
      ),
    };
  }

  #region(name: string, path: YamlPath, parts: Parts): string {
    const known = [...Object.keys(this.#around.regions), ...parts.keys()];
    if (!known.includes(name)) throw this.#yaml.error(path, unknownKey(name, known, "region"));
    return name;
  }

  #pagesOf(name: string, parts: Parts): number {
    return parts.get(name)?.pages ?? this.#around.regions[name]!.pages;
  }
}
