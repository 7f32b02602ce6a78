/**
 * npm run bench [-- --tiny] [-- --json FILE]
 *
 * Exit codes: 0 done, whether or not a bar was met, as other programs may have had the cores; 1 when two that must count the same do
 * not; 2 for a bad option.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { paintFor } from "../src/report/paint.js";
import { placeEngine } from "./place.js";
import { differencesOf, FULL, runSuite, TINY } from "./suite.js";
import { resultLines } from "./tables.js";

const options = { tiny: { type: "boolean", default: false }, json: { type: "string" } } as const;

function parseOptions() {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

const { tiny, json } = parseOptions();
placeEngine();
const results = await runSuite(tiny ? TINY : FULL, (what) => console.error(what));
for (const line of resultLines(results, paintFor(process.stdout))) console.log(line);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, undefined, 2)}\n`);
const differences = differencesOf(results);
for (const difference of differences) console.error(`counts differ: ${difference}`);
process.exitCode = differences.length === 0 ? 0 : 1;
