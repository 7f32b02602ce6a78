import type { CommandModule } from "yargs";
import { tableLines } from "../report/table.js";

/**
 * What `shootdown --help` prints, made from the commands' own descriptions.
 *
 * Written without yargs, whose loading takes longer than all the rest of the program; `shootdown COMMAND --help` is
 * yargs' own.
 */
export function helpLines(commands: readonly CommandModule[]): string[] {
  const usages = commands.map(({ command, describe }) => [
    `  shootdown ${shortUsage(String(command))}`,
    String(describe),
  ]);
  return [
    "Simulates TLB shootdowns: what a deferred flush saves, and whether it is still correct.",
    "",
    "Commands:",
    ...tableLines({ rows: usages, isText: true }),
    "",
    "Examples:",
    "  shootdown replay redis.strace.gz --cpus 8",
    "  shootdown compare munmap-loop --policy eager,deferred --cpus 16 --seeds 5",
    "",
    "shootdown COMMAND --help lists a command's options. Exit codes: 0 done, 1 a violation was found, 2 bad usage or",
    "input, 3 an internal error, 130 interrupted, with what was finished printed.",
  ];
}

/** "run <workload> [params..]" as "run WORKLOAD": the rest is in the command's own help. */
function shortUsage(command: string): string {
  return command
    .replace(" [params..]", "")
    .replace(/<(\w+)(\.\.)?>/g, (_, name: string, many?: string) =>
      many ? `${name.slice(0, -1).toUpperCase()}...` : name.toUpperCase(),
    )
    .replace(/\[(\w+)\]/g, (_, name: string) => `[${name.toUpperCase()}]`);
}
