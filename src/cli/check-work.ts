import type { CheckResult, VariantResult } from "../engine/check-result.js";
import { usableThreads } from "../engine/threads.js";
import { type CheckView, scenarioLines, sumLine, variantLines } from "../report/check.js";
import { count } from "../report/format.js";
import { type Paint, paintFor, plain } from "../report/paint.js";
import { searchHere } from "./check-here.js";
import type { CheckOptions } from "./check-options.js";
import { type Selection, select } from "./check-select.js";
import { printLines } from "./deliver.js";
import { exitCodes } from "./exit-codes.js";
import { Progress } from "./progress.js";
import { ResultFile } from "./result-file.js";

/** Characters across where nobody knows: a build server, a file. */
const WIDTH = 100;
const WIDTH_MIN = 60;

/** What `check` does once its arguments are understood. Sets the exit code. */
export async function checkWork(options: CheckOptions): Promise<void> {
  const { json, junit, sarif } = options;
  // An unwritable path costs no search.
  const files = {
    json: json === undefined || json === "-" ? undefined : new ResultFile(json),
    junit: junit === undefined ? undefined : new ResultFile(junit, "--junit"),
    sarif: sarif === undefined ? undefined : new ResultFile(sarif, "--sarif"),
  };
  const selection = await select(options);
  const { results, interrupted } = await search(selection, options);
  const result: CheckResult = { schema: "shootdown/check@1", results, ...(interrupted && { interrupted }) };
  files.json?.write(result);
  if (json === "-") printLines([JSON.stringify(result, null, 2)]);
  if (files.junit !== undefined) {
    const { junitText } = await import("../report/junit.js");
    files.junit.writeText(junitText(result));
  }
  if (files.sarif !== undefined) {
    const { sarifLog } = await import("../report/sarif.js");
    files.sarif.write(sarifLog(result));
  }
  if (interrupted) {
    const { length } = selection.tasks;
    process.stderr.write(`shootdown: interrupted; ${results.length} of ${length} variants were finished\n`);
  }
  const isFinding = results.some(({ asExpected }) => !asExpected);
  process.exitCode = interrupted ? exitCodes.interrupted : isFinding ? exitCodes.finding : exitCodes.done;
}

interface Searched {
  /** Finished variants, in the order of the selection. */
  readonly results: VariantResult[];
  readonly interrupted?: true;
}

/** All variants, with progress; Ctrl-C ends it and keeps what is finished. */
async function search({ scenarios, tasks }: Selection, options: CheckOptions): Promise<Searched> {
  const printer = new Printer(scenarios, options);
  const progress = new Progress(options.quiet ? "none" : options.progress, progressText);
  const stop = new AbortController();
  const onSignal = (): void => {
    // The second signal finds the default action again: it ends the process at once.
    stop.abort();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const results = new Array<VariantResult | undefined>(tasks.length).fill(undefined);
  const finished = (): number => results.filter((result) => result !== undefined).length;
  const onResult = (index: number, result: VariantResult): void => {
    results[index] = result;
    progress.end();
    printer.show(results);
  };
  try {
    const left = await searchHere(tasks, onResult);
    if (left.length > 0) {
      const { checkAll } = await import("../engine/check-pool.js");
      await checkAll(
        left.map((index) => tasks[index]!),
        {
          threads: options.threads ?? usableThreads(),
          signal: stop.signal,
          onResult: (at, result) => onResult(left[at]!, result),
          onProgress: (states) => progress.update({ finished: finished(), tasks: tasks.length, states }),
        },
      );
    }
  } finally {
    progress.end();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
  const done = results.filter((result) => result !== undefined);
  printer.finish(results);
  return { results: done, ...(stop.signal.aborted && done.length < tasks.length && { interrupted: true }) };
}

/** "12 of 41 variants, 1,234,567 states, 12 s". */
export function progressText(
  { finished, tasks, states }: { finished: number; tasks: number; states: number },
  seconds: number,
): string {
  return `${finished} of ${tasks} variants, ${count(states)} states, ${Math.round(seconds)} s`;
}

/** Prints variants in the order of the selection, each as soon as all before it are there. */
class Printer {
  readonly #scenarios: Selection["scenarios"];
  readonly #view: CheckView;
  readonly #paint: Paint;
  readonly #isSilent: boolean;
  #next = 0;

  constructor(
    scenarios: Selection["scenarios"],
    { quiet, json, verbose, traces, replay, color, file }: CheckOptions,
  ) {
    this.#scenarios = scenarios;
    this.#isSilent = quiet || json === "-";
    this.#paint = color ? paintFor(process.stdout) : plain;
    const asked = process.stdout.columns ?? Number.parseInt(process.env.COLUMNS ?? "", 10);
    const width = Math.max(WIDTH_MIN, asked > 0 ? asked : WIDTH);
    // Whoever asks for one scenario wants to see what happens in it.
    this.#view = {
      width,
      verbose,
      traces: traces || verbose || replay !== undefined || scenarios.length === 1,
      ...(file !== undefined && { file }),
    };
  }

  show(results: readonly (VariantResult | undefined)[]): void {
    for (let result = results[this.#next]; result !== undefined; result = results[this.#next]) {
      this.#print(result);
      this.#next++;
    }
  }

  /** The rest, when some in between are missing, and the sum. */
  finish(results: readonly (VariantResult | undefined)[]): void {
    for (const result of results.slice(this.#next)) if (result !== undefined) this.#print(result);
    if (this.#isSilent) return;
    const done = results.filter((result) => result !== undefined);
    const hint = !this.#view.traces && done.some(({ found, asExpected }) => found !== null && asExpected);
    printLines([
      ...(this.#view.traces ? [] : [""]),
      this.#paint("bold", sumLine(done, results.length)),
      ...(hint
        ? [this.#paint("dim", "shootdown check NAME shows the counterexamples of one scenario.")]
        : []),
    ]);
  }

  #printed = "";

  #print(result: VariantResult): void {
    if (this.#isSilent) return;
    const scenario = this.#scenarios.find(({ name }) => name === result.scenario)!;
    const isNew = this.#printed !== result.scenario;
    this.#printed = result.scenario;
    const width = Math.max(...scenario.variants.map(({ name }) => name.length));
    printLines([
      ...(isNew ? scenarioLines(scenario, this.#view, this.#paint) : []),
      ...variantLines(result, width, this.#view, this.#paint),
    ]);
  }
}
