/** Text in lines of at most `first`, then `rest` characters: broken at blanks, else behind a separator, else anywhere. */
export function wrapped(text: string, first: number, rest = first): string[] {
  const lines: string[] = [];
  let left = text;
  for (let width = first; left.length > width; width = rest) {
    const at = breakAt(left, Math.max(1, width));
    lines.push(left.slice(0, at).trimEnd());
    left = left.slice(at).trimStart();
  }
  return [...lines, left];
}

function breakAt(text: string, width: number): number {
  const blank = text.lastIndexOf(" ", width);
  if (blank > width / 3) return blank;
  const separator = Math.max(...[".", "_", "-", ",", "/"].map((sign) => text.lastIndexOf(sign, width - 1)));
  return separator > width / 3 ? separator + 1 : width;
}
