/** Where in a file: a line (from 1) of its text, or a byte (from 0) of the file or of what was unpacked from it. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly byte?: number;
}

/**
 * A recording that cannot be read. Exit code 2.
 *
 * Shape: "redis.gz:17: expected an strace line, saw 'hello'" or "redis.gz, byte 4096: expected ..., saw ...".
 */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly file: string;
  readonly line: number | undefined;
  readonly byte: number | undefined;
  readonly expected: string;
  readonly saw: string;

  constructor(place: Place, expected: string, saw: string) {
    const where = place.line === undefined ? place.file : `${place.file}:${place.line}`;
    const offset = place.byte === undefined ? "" : `, byte ${place.byte}`;
    super(`${where}${offset}: expected ${expected}, saw ${saw}`);
    this.file = place.file;
    this.line = place.line;
    this.byte = place.byte;
    this.expected = expected;
    this.saw = saw;
  }
}

const excerptMax = 80;

/** Text from a file as it may be printed: quoted, cut, control characters escaped. */
export function excerpt(text: string): string {
  const cut = text.length > excerptMax ? `${text.slice(0, excerptMax)}...` : text;
  return JSON.stringify(cut);
}
