// OpenAI's own client for JavaScript, asking a node; what came of it goes to the standard output as JSON.
import fs from 'node:fs'
import OpenAI, { toFile } from 'openai'

const small = { size: '64x64', steps: 2 }
const client = (baseURL, options) => new OpenAI({ baseURL, apiKey: process.env.TOKEN, maxRetries: 0, ...options })
const file = (name) => toFile(fs.createReadStream(name), name, { type: 'image/png' })

async function pictures(one) {
  const made = await one.images.generate({ model: 'dall-e-3', prompt: 'a cat', n: 2, seed: 7, ...small })
  const edited = await one.images.edit({
    image: [await file('image.png')], mask: await file('mask.png'), prompt: 'a cat', ...small,
  })
  const varied = await one.images.createVariation({ image: await file('image.png'), n: 2, size: '256x256', steps: 2 })
  const linked = await one.images.generate({ prompt: 'a cat', response_format: 'url', ...small })
  const fetched = await fetch(linked.data[0].url)
  return {
    made: made.data.map((picture) => [picture.b64_json, picture.seed]),
    edited: edited.data.map((picture) => picture.b64_json),
    varied: varied.data.map((picture) => picture.b64_json),
    fetched: Buffer.from(await fetched.arrayBuffer()).toString('base64'),
    models: (await one.models.list()).data.map((model) => model.id),
  }
}

async function streamed(one) {
  const events = []
  const stream = await one.images.generate({
    prompt: 'a cat', stream: true, partial_images: 2, output_format: 'webp', size: '64x64', steps: 8,
  })
  for await (const event of stream) {
    events.push([event.type, event.b64_json])
  }
  return events
}

async function refused(ask) {
  try {
    await ask()
    return null
  } catch (error) {
    return { kind: error.constructor.name, status: error.status, param: error.param, code: error.code, said: error.message }
  }
}

async function main() {
  const one = client(process.env.QUICK)
  const slow = client(process.env.SLOW)
  const told = {
    ...(await pictures(one)),
    events: await streamed(slow),
    wrong: await refused(() => one.images.generate({ prompt: 'x', size: '9x9' })),
    stranger: await refused(() => client(process.env.QUICK, { apiKey: 'no' }).images.generate({ prompt: 'x' })),
    missing: await refused(() => slow.images.generate({ model: 'dall-e-3', prompt: 'x' })),
  }
  // A stream answers as soon as its job is accepted, and there is room for one.
  const first = await slow.images.generate({ prompt: 'first', stream: true, ...small })
  told.full = await refused(() => slow.images.generate({ prompt: 'refused', ...small }))
  told.patient = (await client(process.env.SLOW, { maxRetries: 5 }).images.generate({ prompt: 'p', ...small })).data.length
  for await (const event of first) {
    told.first = event.type
  }
  console.log(JSON.stringify(told))
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
