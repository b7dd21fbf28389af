// Folders kept under a key. An entry is written once; prefixes find the newest, as on GitHub.
"use strict";
const { spawnSync } = require("child_process");
const fs = require("fs");
const os = require("os");
const path = require("path");
const runner = require("./runner.js");

const HARD_LINKED = 200 * 1024 * 1024; // an environment, which nobody edits in place; less is copied

function paths() {
  return runner.lines(runner.input("path")).map((line) => path.resolve(line.replace(/^~(?=\/)/, os.homedir())));
}

function entry(key) {
  return runner.state("caches", encodeURIComponent(key));
}

function size(folder) {
  return Number(spawnSync("du", ["-sb", folder], { encoding: "utf8" }).stdout.split("\t")[0]);
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  const link = size(from) > HARD_LINKED && spawnSync("cp", ["-alT", from, to]).status === 0;
  if (!link && spawnSync("cp", ["-aT", from, to], { stdio: "inherit" }).status !== 0) runner.fail(`cannot copy ${from}`);
}

function found(key) {
  const folder = runner.state("caches");
  const known = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => !name.startsWith(".")) : [];
  if (known.includes(encodeURIComponent(key))) return key;
  for (const prefix of runner.lines(runner.input("restore-keys"))) {
    const matching = known
      .map(decodeURIComponent)
      .filter((name) => name.startsWith(prefix))
      .map((name) => [fs.statSync(entry(name)).mtimeMs, name])
      .sort((one, other) => other[0] - one[0]);
    if (matching.length) return matching[0][1];
  }
  return null;
}

function restore() {
  const key = runner.input("key");
  if (!key || key.length > 512 || key.includes(",")) runner.fail("a cache key has 1 to 512 characters and no comma");
  const match = found(key);
  runner.output("cache-primary-key", key);
  runner.output("cache-hit", match === null ? "" : String(match === key));
  runner.remember("matched", match || "");
  if (match === null) {
    console.log(`no cache for ${key}`);
    if (runner.isTrue(runner.input("fail-on-cache-miss"))) runner.fail(`no cache for ${key}`);
    return;
  }
  runner.output("cache-matched-key", match);
  if (!runner.isTrue(runner.input("lookup-only"))) {
    paths().forEach((target, index) => {
      const kept = path.join(entry(match), String(index));
      if (fs.existsSync(kept)) copy(kept, target);
    });
  }
  console.log(`restored ${match}`);
}

function save() {
  const key = runner.input("key");
  if (runner.remembered("matched") === key || fs.existsSync(entry(key))) return console.log(`${key} is saved already`);
  const present = paths().filter(fs.existsSync);
  if (!present.length) return console.log(`::warning::none of the paths to cache exists`);
  const stage = runner.state("caches", `.${process.pid}`);
  paths().forEach((from, index) => fs.existsSync(from) && copy(from, path.join(stage, String(index))));
  fs.utimesSync(stage, new Date(), new Date());
  fs.renameSync(stage, entry(key));
  console.log(`saved ${key}`);
}

module.exports = { restore, save };
