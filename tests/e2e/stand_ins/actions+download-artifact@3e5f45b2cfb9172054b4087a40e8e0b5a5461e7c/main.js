"use strict";
const fs = require("fs");
const path = require("path");
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);

const run = runner.input("github-token") ? runner.input("run-id") : process.env.GITHUB_RUN_ID;
const kept = runner.state("artifacts", run);
const target = path.resolve(process.env.GITHUB_WORKSPACE, runner.input("path"));
const name = runner.input("name");
const matches = new RegExp(`^${(runner.input("pattern") || "*").replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*")}$`);
const all = fs.existsSync(kept) ? fs.readdirSync(kept) : [];
const ids = runner.input("artifact-ids").split(",").map((one) => one.trim()).filter(Boolean);
if (name && ids.length) runner.fail("Inputs 'name' and 'artifact-ids' cannot be used together. Please specify only one.");
let chosen = all.filter((one) => (name ? one === name : matches.test(one)));
if (ids.length) chosen = all.filter((one) => ids.includes(String(runner.artifactId(path.join(kept, one)))));
if (name && !chosen.length) runner.fail(`Artifact not found for name: ${name}`);
if (ids.length && !chosen.length) runner.fail(`None of the provided artifact IDs were found: ${ids.join(", ")}`);
for (const one of chosen) {
  const flat = name || chosen.length === 1 || runner.isTrue(runner.input("merge-multiple"));
  fs.cpSync(path.join(kept, one), flat ? target : path.join(target, one), { recursive: true });
}
runner.output("download-path", target);
console.log(`${chosen.length} artifacts of run ${run}`);
