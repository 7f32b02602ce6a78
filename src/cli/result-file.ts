import { closeSync, openSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UsageError } from "../errors.js";

/**
 * Where a result goes. Made before the run, so that an unwritable path costs no simulation; written after it, in one
 * piece: a reader sees the old file or the whole new one.
 */
export class ResultFile {
  readonly #option: string;
  /** The file itself, if the path is a symbolic link to it. */
  readonly path: string;
  /** Devices and pipes are written in place: a rename would replace the device itself. */
  readonly isSpecial: boolean;

  /** Throws: UsageError naming the path and the reason when nothing can be written there. */
  constructor(path: string, option = "--json") {
    this.#option = option;
    const existing = statSync(path, { throwIfNoEntry: false });
    if (existing?.isDirectory()) throw new UsageError(`cannot write ${option} ${path}: it is a folder`);
    this.isSpecial = existing !== undefined && !existing.isFile();
    // The file behind a symbolic link is replaced, not the link.
    this.path = existing === undefined ? path : realpathSync(path);
    if (this.isSpecial) return;
    const probe = this.#temporary();
    attempt(option, path, () => {
      closeSync(openSync(probe, "wx"));
      rmSync(probe);
    });
  }

  /** Throws: UsageError when the disk refuses after all; nothing half-written is left behind. */
  write(value: unknown): void {
    this.writeText(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** As write(), of something that is text already. */
  writeText(text: string): void {
    if (this.isSpecial) {
      attempt(this.#option, this.path, () => writeFileSync(this.path, text));
      return;
    }
    const temporary = this.#temporary();
    attempt(this.#option, this.path, () => {
      try {
        writeFileSync(temporary, text, { flag: "wx" });
        renameSync(temporary, this.path);
      } finally {
        rmSync(temporary, { force: true });
      }
    });
  }

  #temporary(): string {
    return join(dirname(this.path), `.${basename(this.path)}.${process.pid}.tmp`);
  }
}

function attempt(option: string, path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/, \w+ '.*$/, "") : String(error);
    throw new UsageError(`cannot write ${option} ${path}: ${reason}`);
  }
}
