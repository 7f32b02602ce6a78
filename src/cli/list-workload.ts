import { unknownName } from "../errors.js";
import { tableLines } from "../report/table.js";
import { wrapped } from "../report/wrap.js";
import { builtins } from "../workload/builtins.js";

const width = 100;

/** What a built-in workload stands for, and its parameters with their defaults and units. */
export function workloadLines(name: string): string[] {
  const builtin = builtins.find((each) => each.name === name);
  if (builtin === undefined) {
    throw unknownName(
      "workload",
      name,
      builtins.map((each) => each.name),
    );
  }
  const rows = builtin.parameters.map(({ name: parameter, default: value, unit, about }) => [
    `${parameter}=${value}`,
    `${about} (${unit})`,
  ]);
  return [
    `${name}: ${builtin.about}`,
    "",
    ...wrapped(builtin.standsFor, width),
    "",
    ...tableLines({ rows, isText: true }).map((line) => `  ${line}`),
  ];
}
