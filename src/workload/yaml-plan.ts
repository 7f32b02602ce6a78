/** Workload files: read, looked at, and made a plan. */
import { basename } from "node:path";
import { unknownName } from "../errors.js";
import { unknownKey, YamlFile, type YamlPath } from "../yaml-file.js";
import {
  allSteps,
  type HugeSize,
  hugePages,
  type Plan,
  type Region,
  stackName,
  stackPages,
  type ThreadGroup,
} from "./plan.js";
import { tasksMax } from "./plan-names.js";
import { countFrom } from "./units.js";
import { type GroupText, type RegionText, type WorkloadText, workloadSchema } from "./yaml-schema.js";
import { StepReader } from "./yaml-steps.js";
import { pagesFrom, rightsBits, streamFrom } from "./yaml-values.js";

const parameterText = /^\$([A-Za-z]\w*)$/;

/**
 * The plan of a workload file, with these values for its parameters, on a machine of so many CPUs.
 *
 * Throws: UsageError with file, line and column of the first mistake, what was expected there, and the nearest name.
 */
export function readPlan(file: string, given: Readonly<Record<string, string>>, cpus: number): Plan {
  return planFrom(new YamlFile(file), given, cpus);
}

export function planFrom(yaml: YamlFile, given: Readonly<Record<string, string>>, cpus: number): Plan {
  const data = yaml.check(workloadSchema, withParameters(yaml, given));
  const regions: Record<string, Region> = {};
  for (const [name, text] of Object.entries(data.regions ?? {})) regions[name] = regionFrom(yaml, name, text);
  const groups = data.threads.map((text, index) => groupFrom(yaml, data, regions, text, index, cpus));
  checkGroups(yaml, groups);
  return {
    name: data.name ?? basename(yaml.file).replace(/\.ya?ml$/, ""),
    regions,
    groups: groups.filter(({ count }) => count > 0),
    copies: copiesFrom(yaml, data, groups),
    ...(data.memory !== undefined && { pages: pagesFrom(yaml, data.memory, ["memory"]) }),
  };
}

/** Every "$name" replaced by the value that was given, or by the file's own. */
function withParameters(yaml: YamlFile, given: Readonly<Record<string, string>>): unknown {
  const { data } = yaml;
  const declared = (data as { parameters?: unknown } | null)?.parameters ?? {};
  const own = typeof declared === "object" && !Array.isArray(declared) ? Object.entries(declared) : [];
  const values = new Map<string, unknown>(own);
  for (const [name, text] of Object.entries(given)) {
    if (!values.has(name)) throw unknownName(`parameter of ${yaml.file}`, name, [...values.keys()]);
    values.set(name, /^\d+(\.\d+)?$/.test(text) ? Number(text) : text);
  }
  const replaced = (part: unknown, path: YamlPath): unknown => {
    if (Array.isArray(part)) return part.map((each, index) => replaced(each, [...path, index]));
    if (typeof part === "object" && part !== null)
      return Object.fromEntries(
        Object.entries(part).map(([key, each]) => [key, replaced(each, [...path, key])]),
      );
    const [, name] = typeof part === "string" ? (parameterText.exec(part) ?? []) : [];
    if (name === undefined) return part;
    if (!values.has(name)) throw yaml.error(path, unknownKey(name, [...values.keys()], "parameter"));
    return values.get(name);
  };
  return replaced(data, []);
}

function regionFrom(yaml: YamlFile, name: string, text: RegionText): Region {
  const path = ["regions", name];
  if (name === stackName) throw yaml.error(path, `every thread has a region '${stackName}' already`, "key");
  const {
    size,
    of = "process",
    rights = "rw",
    shared = false,
    file,
    files,
    popularity,
    sliced,
    watched,
    huge,
  } = text;
  if (sliced && (file === undefined || of !== "thread"))
    throw yaml.error([...path, "sliced"], "it goes with 'file' and 'of: thread'", "key");
  for (const key of ["files", "popularity"] as const) {
    if (text[key] !== undefined && (file === undefined || files === undefined))
      throw yaml.error([...path, key], "it goes with 'file' and 'files'", "key");
  }
  const many = files === undefined ? undefined : countFrom(files);
  if (many === 0) throw yaml.error([...path, "files"], "expected at least one file; got 0");
  const pages = pagesFrom(yaml, size, [...path, "size"]);
  if (huge !== undefined) checkHuge(yaml, path, text, pages, huge);
  return {
    pages,
    of,
    rights: rightsBits[rights],
    shared,
    ...(file !== undefined && { file }),
    ...(many !== undefined && {
      files: {
        count: many,
        stream: streamFrom(yaml, popularity ?? "uniform", { elements: many, grain: undefined }, [
          ...path,
          "popularity",
        ]),
      },
    }),
    ...(sliced && { sliced }),
    ...(watched !== undefined && { watched }),
    ...(huge !== undefined && { huge }),
  };
}

function checkHuge(
  yaml: YamlFile,
  path: YamlPath,
  { shared, file, watched }: RegionText,
  pages: number,
  huge: HugeSize,
): void {
  if (shared || file !== undefined || watched)
    throw yaml.error([...path, "huge"], "it goes with private memory that is not watched", "key");
  if (pages % hugePages[huge] !== 0)
    throw yaml.error(
      [...path, "size"],
      `expected a whole number of pages of ${huge}; got ${pages} pages of 4 KiB`,
    );
}

function groupFrom(
  yaml: YamlFile,
  data: WorkloadText,
  regions: Plan["regions"],
  text: GroupText,
  index: number,
  cpus: number,
): ThreadGroup {
  const path = ["threads", index];
  const { name, kernel, process, start = "beginning", cpu } = text;
  if (data.threads.findIndex((other) => other.name === name) < index)
    throw yaml.error([...path, "name"], `there are threads '${name}' already`);
  if (kernel && process !== undefined)
    throw yaml.error([...path, "process"], "kernel threads have no process", "key");
  if (start === "fork" && (kernel || process !== undefined))
    throw yaml.error(
      [...path, kernel ? "kernel" : "process"],
      "forked threads are in a process of their own",
      "key",
    );
  const count = threadsFrom(text.count ?? 1, cpus);
  if (count > tasksMax)
    throw yaml.error([...path, "count"], `expected at most ${tasksMax} threads; got ${count}`);
  const forked = data.threads.filter((other) => other.start === "fork").map((other) => other.name);
  const reader = new StepReader(yaml, {
    regions,
    forked,
    isKernel: kernel === true,
    count,
    isForked: start === "fork",
  });
  const steps = reader.steps(
    text.steps,
    [...path, "steps"],
    new Map([[stackName, { pages: stackPages, root: stackName }]]),
  );
  return {
    ...{ name, count: start === "fork" ? Math.max(1, count) : count, start, steps },
    process: kernel ? undefined : (process ?? "main"),
    ...(cpu !== undefined && { cpu: countFrom(cpu) }),
  };
}

/** "cpus", "cpus-1", "12". */
function threadsFrom(text: number | string, cpus: number): number {
  const [, less] = /^cpus(?: ?- ?(\d+))?$/.exec(String(text)) ?? [];
  if (!String(text).startsWith("cpus")) return countFrom(text);
  return Math.max(0, cpus - Number(less ?? 0));
}

function checkGroups(yaml: YamlFile, groups: readonly ThreadGroup[]): void {
  const forks = new Set(
    groups.flatMap(({ steps }) =>
      allSteps(steps).flatMap((step) => (step.do === "fork" ? [step.group] : [])),
    ),
  );
  for (const [index, { name, start }] of groups.entries()) {
    if (start === "fork" && !forks.has(name))
      throw yaml.error(["threads", index, "start"], `no thread forks '${name}'`);
  }
  if (!groups.some(({ start, count }) => start === "beginning" && count > 0))
    throw yaml.error(["threads"], "expected at least one thread that exists from the beginning");
}

function copiesFrom(
  yaml: YamlFile,
  data: WorkloadText,
  groups: readonly ThreadGroup[],
): Record<string, number> {
  const known = [...new Set(groups.flatMap(({ process }) => process ?? []))];
  const copies: Record<string, number> = {};
  for (const [name, text] of Object.entries(data.processes ?? {})) {
    const path = ["processes", name];
    if (!known.includes(name)) throw yaml.error(path, unknownKey(name, known, "process"), "key");
    const count = countFrom(text);
    if (count < 1 || count > tasksMax)
      throw yaml.error(path, `expected a number of processes from 1 to ${tasksMax}; got ${count}`);
    copies[name] = count;
  }
  return copies;
}
