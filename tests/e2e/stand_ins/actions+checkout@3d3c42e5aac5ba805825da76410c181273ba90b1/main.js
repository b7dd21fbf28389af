"use strict";
const { spawnSync } = require("child_process");
const fs = require("fs");
const path = require("path");
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);

const name = runner.input("repository");
const source = JSON.parse(runner.needed("LOCKGATE_ACT_REPOSITORIES"))[name];
if (!source) runner.fail(`there is no repository ${name} here`);
const folder = path.resolve(process.env.GITHUB_WORKSPACE, runner.input("path"));
const own = name === process.env.GITHUB_REPOSITORY && !runner.input("ref");
const ref = own ? process.env.GITHUB_REF || "" : runner.input("ref") || "HEAD";
const commit = own ? process.env.GITHUB_SHA : ref;
const branch = own && ref.startsWith("refs/heads/") ? ref.slice("refs/heads/".length) : "";

function git(...parts) {
  const ran = spawnSync("git", ["-C", folder, ...parts], { encoding: "utf8" });
  if (ran.status !== 0) runner.fail(`git ${parts.join(" ")}: ${ran.stderr}`);
  return ran.stdout.trim();
}

fs.mkdirSync(folder, { recursive: true });
git("init", "--quiet");
git("config", "remote.origin.url", `file://${source}`);
git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*");
const depth = runner.input("fetch-depth");
const everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"];
git("fetch", "--quiet", "--no-tags", ...(depth === "0" ? [] : [`--depth=${depth}`]), "origin",
  branch && depth !== "0" ? `+${commit}:refs/remotes/origin/${branch}` : commit, ...(depth === "0" ? everything : []), ...(runner.isTrue(runner.input("fetch-tags")) ? [everything[1]] : []));
git("checkout", "--quiet", "--force", "--detach", git("rev-parse", "FETCH_HEAD^{commit}"));
runner.output("ref", /^[0-9a-f]{40}$/.test(ref) ? "" : ref);
runner.output("commit", git("rev-parse", "HEAD"));
console.log(`${name} at ${git("rev-parse", "HEAD")}`);
