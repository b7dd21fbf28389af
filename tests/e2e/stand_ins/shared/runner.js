// What all stand-ins share: the runner's commands, inputs, and the state folder.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const path = require("path");

function append(file, name, value) {
  const end = `end-${process.hrtime.bigint()}`;
  fs.appendFileSync(process.env[file], `${name}<<${end}\n${value}\n${end}\n`);
}

function fail(message) {
  console.log(`::error::${message}`);
  process.exit(1);
}

function needed(name) {
  if (!process.env[name]) fail(`${name} is not set; run workflows with scripts/act`);
  return process.env[name];
}

module.exports = {
  artifactId: (folder) => parseInt(crypto.createHash("sha256").update(folder).digest("hex").slice(0, 8), 16),
  fail,
  input: (name) => (process.env[`INPUT_${name.replace(/ /g, "_").toUpperCase()}`] || "").trim(),
  isTrue: (value) => value.toLowerCase() === "true",
  lines: (text) => text.split("\n").map((line) => line.trim()).filter(Boolean),
  output: (name, value) => append("GITHUB_OUTPUT", name, value),
  remember: (name, value) => append("GITHUB_STATE", name, value),
  remembered: (name) => process.env[`STATE_${name}`] || "",
  state: (...parts) => path.join(needed("LOCKGATE_ACT_STATE"), ...parts),
  needed,
};
