import { isPersonsError } from "../errors.js";

/** What a script may rely on. */
export const exitCodes = {
  done: 0,
  /** A violation was found. */
  finding: 1,
  /** Bad usage or bad input; one line on stderr says what and where. */
  usage: 2,
  /** Our own bug. */
  internal: 3,
  interrupted: 130,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** One line for a mistake of the person; the stack for one of ours. */
export function errorText(error: unknown): string {
  if (isPersonsError(error)) return `shootdown: ${error.message.replaceAll("\n", " ")}`;
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `shootdown: internal error, please report it\n${detail}`;
}
