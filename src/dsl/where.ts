/** Which line of a mechanism called into this language, read from the text of a stack trace. */

export interface SourceLine {
  readonly file: string;
  readonly line: number;
}

/**
 * Frames to look at. Most steps are a few calls away from their author's line; those that are farther, inside blocks that the language
 * itself has put around them, take the line where the author came in. A mistake may be found anywhere.
 */
const NEAR_FRAMES = 9;
const FAR_FRAMES = 40;
const FRAME = /(?:^at |[ (])((?:file:\/\/|\/|[A-Za-z]:[\\/])[^()]*?):(\d+):\d+\)?$/;

const packageRoot = plainPath(new URL("../../", import.meta.url).href);
/** This folder as it runs, and as source maps show it. */
const ownFolders = [plainPath(new URL(".", import.meta.url).href), `${packageRoot}src/dsl/`];

/** The line of the innermost caller outside this folder, not far away. */
export function callSite(): SourceLine {
  return traced(NEAR_FRAMES);
}

/** The same for a mistake. */
export function mistakeSite(): SourceLine {
  return traced(FAR_FRAMES);
}

function traced(frames: number): SourceLine {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  const line = new TracedLine(new Error());
  Error.stackTraceLimit = limit;
  return line;
}

/** Taking a stack trace is cheap, its text is not: it is made when somebody asks for the line, and for most steps nobody does. */
class TracedLine implements SourceLine {
  #trace: Error | undefined;
  #line: SourceLine | undefined;

  constructor(trace: Error) {
    this.#trace = trace;
  }

  get file(): string {
    return this.#read().file;
  }

  get line(): number {
    return this.#read().line;
  }

  #read(): SourceLine {
    this.#line ??= authorLine(this.#trace?.stack ?? "");
    this.#trace = undefined;
    return this.#line;
  }
}

/**
 * The first line of a stack trace that is not the language's own.
 *
 * The trace is parsed as text: Error.prepareStackTrace stays as it is, because test runners use it to map positions.
 */
export function authorLine(stack: string): SourceLine {
  for (const text of stack.split("\n")) {
    const frame = FRAME.exec(text.trim());
    if (frame === null) continue;
    const path = plainPath(frame[1]!);
    if (!ownFolders.some((own) => path.startsWith(own)))
      return { file: shortPath(path), line: Number(frame[2]) };
  }
  return { file: "unknown", line: 0 };
}

/** A path with forward slashes, without scheme and query; "C:\x" becomes "/C:/x", as in a file URL. */
function plainPath(path: string): string {
  const bare = path.split("?")[0]!;
  if (bare.startsWith("file://")) return decodeURIComponent(new URL(bare).pathname);
  const slashed = bare.replaceAll("\\", "/");
  return /^[A-Za-z]:/.test(slashed) ? `/${slashed}` : slashed;
}

/** Relative to the package, else to the working directory, else the bare file name: the same on every machine. */
export function shortPath(path: string): string {
  for (const root of [packageRoot, workingFolder()]) {
    if (path.startsWith(root) && !path.slice(root.length).startsWith("node_modules/")) {
      return path.slice(root.length);
    }
  }
  return path.slice(path.lastIndexOf("/") + 1);
}

function workingFolder(): string {
  return typeof process === "object" ? `${plainPath(process.cwd())}/` : "/";
}
