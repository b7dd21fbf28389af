"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const runner = require(`${process.env.LOCKGATE_ACT_STAND_INS}/shared/runner.js`);

const hidden = runner.isTrue(runner.input("include-hidden-files"));
const name = runner.input("name");
if (!name || /["<>|*?\r\n\\/:]/.test(name)) runner.fail(`"${name}" is no name for an artifact`);

function files(place) {
  if (!fs.existsSync(place)) return [];
  if (!fs.statSync(place).isDirectory()) return [place];
  return fs.readdirSync(place).filter((child) => hidden || !child.startsWith("."))
    .flatMap((child) => files(path.join(place, child)));
}

function pattern(glob) {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*\*\/?|\*|\?/g, (star) =>
    star.startsWith("**") ? ".*" : star === "*" ? "[^/]*" : "[^/]")}(/.*)?$`);
}

// The root is what the patterns have in common, as in the original: one folder gives its content, flat.
const wanted = runner.lines(runner.input("path"));
const included = wanted.filter((line) => !line.startsWith("!")).map((line) => path.resolve(line));
const excluded = wanted.filter((line) => line.startsWith("!")).map((line) => pattern(path.resolve(line.slice(1))));
const roots = included.map((glob) => {
  const fixed = glob.split("/").slice(0, glob.split("/").findIndex((part) => /[*?[]/.test(part)));
  return /[*?[]/.test(glob) ? fixed.join("/") : glob;
});
const found = [...new Set(included.flatMap((glob, index) =>
  files(roots[index]).filter((file) => pattern(glob).test(file))))]
  .filter((file) => !excluded.some((one) => one.test(file))).sort();
if (!found.length) {
  const message = `no files were found for ${wanted.join(", ")}`;
  if (runner.input("if-no-files-found") === "error") runner.fail(message);
  if (runner.input("if-no-files-found") === "warn") console.log(`::warning::${message}`);
  process.exit(0);
}
// Of several patterns it is what they have in common whether they find anything or not.
const common = [...new Set(roots)].map((one) => one.split("/")).reduce((one, other) => {
  const differs = one.findIndex((part, index) => part !== other[index]);
  return differs < 0 ? one : one.slice(0, differs);
}).join("/");
const root = found.length === 1 && found[0] === common ? path.dirname(common) : common;

const artifact = runner.state("artifacts", process.env.GITHUB_RUN_ID, name);
if (fs.existsSync(artifact)) {
  if (!runner.isTrue(runner.input("overwrite"))) runner.fail(`(409) Conflict: an artifact named ${name} is there already`);
  fs.rmSync(artifact, { recursive: true });
}
const digest = crypto.createHash("sha256");
for (const file of found) {
  const target = path.join(artifact, path.relative(root, file));
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.copyFileSync(file, target); // follows a symbolic link, as the original does
  digest.update(path.relative(root, file)).update(fs.readFileSync(file));
}
const value = digest.digest("hex");
const id = runner.artifactId(artifact);
runner.output("artifact-id", id);
runner.output("artifact-digest", value);
runner.output("artifact-url",
  `${process.env.GITHUB_SERVER_URL}/${process.env.GITHUB_REPOSITORY}/actions/runs/${process.env.GITHUB_RUN_ID}/artifacts/${id}`);
console.log(`${found.length} files in artifact ${name}`);
