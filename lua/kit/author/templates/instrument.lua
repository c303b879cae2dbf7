--- A new instrument: a model that needs no network, which picks the sentences that say most.
return {
  ["Symphony.toml"] = [=[
[extension]
name = "@NAME@"
version = "0.1.0"
type = "instrument"
category = "text"
description = "Summarises texts by picking their weightiest sentences."
license = "MIT"
symphony = ">=0.1, <1"
entry = "init.lua"

[instrument]
model_type = "llm"

[instrument.model_configuration.models.extract]
max_tokens = 100000
usd_per_million_tokens = 0

[operation.summarise]
doc = "The sentences of a text that say most, in their order."
effects = "none"
idempotent = true
estimate = { tokens = 100000 }

[operation.summarise.input]
type = "object"
additionalProperties = false
required = ["text"]

[operation.summarise.input.properties]
text = { type = "string", maxLength = 400000 }
sentences = { type = "integer", minimum = 1, maximum = 100, default = 3 }
model = { enum = ["extract"], default = "extract" }

[operation.summarise.output]
type = "object"
additionalProperties = false
required = ["summary", "model", "tokens"]
properties = { summary = { type = "string" }, model = { type = "string" }, tokens = { type = "integer" } }
]=],
  ["model.lua"] = [=[
--- The model: the weight of a sentence is the mean of how often its words occur. The same text gives the same summary.
local M = {}

local function sentences_of(text)
  local list = {}
  for sentence in (text:gsub("%s+", " ") .. " "):gmatch "%s*(.-[%.%?!])%s" do list[#list + 1] = sentence end
  if #list == 0 and text:find "%S" then list[1] = text:match "^%s*(.-)%s*$" end
  return list
end

local function words_of(text)
  local words = {}
  for word in text:lower():gmatch "[%w\128-\255]+" do words[#words + 1] = word end
  return words
end

local function weight(sentence, counts)
  local words, sum, long = words_of(sentence), 0, 0
  for _, word in ipairs(words) do
    if #word > 3 then sum, long = sum + counts[word], long + 1 end
  end
  return long > 0 and sum / long or 0
end

---@param text string
---@param count integer
---@return string summary
---@return integer tokens
function M.summarise(text, count)
  local words, counts, ranked = words_of(text), {}, {}
  for _, word in ipairs(words) do counts[word] = (counts[word] or 0) + 1 end
  for at, sentence in ipairs(sentences_of(text)) do
    ranked[at] = { at = at, text = sentence, weight = weight(sentence, counts) }
  end
  table.sort(ranked, function(a, b)
    if a.weight ~= b.weight then return a.weight > b.weight end
    return a.at < b.at
  end)
  local kept, lines = table.move(ranked, 1, math.min(count, #ranked), 1, {}), {}
  table.sort(kept, function(a, b) return a.at < b.at end)
  for i, one in ipairs(kept) do lines[i] = one.text end
  return table.concat(lines, " "), #words
end

return M
]=],
  ["init.lua"] = [=[
local model = require "model"

local M = {}

---@param input { text: string, sentences: integer, model: string }
---@param ctx symphony.Ctx
function M.summarise(input, ctx)
  local summary, tokens = model.summarise(input.text, input.sentences)
  ctx.usage { tokens = tokens }
  ctx.stream(summary)
  return { summary = summary, model = input.model, tokens = tokens }
end

return M
]=],
  ["spec/@LAST@_spec.lua"] = [=[
local testing = require "testing"

local TEXT = "The pool holds sockets. It rained. Sockets of the pool are used again, and the pool grows. So it goes."

describe("summarise", function()
  it("keeps the weightiest sentence", function()
    local out = assert(testing.call("summarise", { text = TEXT, sentences = 1 }))
    assert.equal("The pool holds sockets.", out.summary)
    assert.equal("extract", out.model)
  end)

  it("says the same each time, and streams it", function()
    local first = testing.call("summarise", { text = TEXT })
    assert.same(first, testing.call("summarise", { text = TEXT }))
    assert.equal(first.summary, testing.last().stream)
  end)

  it("counts what it read", function()
    local out = assert(testing.call("summarise", { text = "Two words." }))
    assert.equal(2, out.tokens)
    assert.equal(2, testing.last().usage.tokens)
  end)

  it("has one model", function()
    assert.is_nil(testing.call("summarise", { text = TEXT, model = "other" }))
  end)
end)
]=],
  example = "summarise -p text='One. Two words. Three.' -p sentences=1",
}
