// What the npm package stability-ai asks of Stability's API, asked of a node; it knows one address, and axios another.
const fs = require('node:fs')
const axios = require('axios')
const StabilityAI = require('stability-ai').default ?? require('stability-ai')

axios.interceptors.request.use((asked) => {
  asked.url = asked.url.replace('https://api.stability.ai', process.env.ADDRESS)
  return asked
})

async function main() {
  const client = new StabilityAI(process.env.TOKEN)
  const engine = 'stable-diffusion-xl-1024-v1-0'
  const words = [{ text: 'a cat', weight: 1 }, { text: 'fog', weight: -0.5 }]
  const short = { steps: 2, seed: 7 }
  const told = {
    engines: await client.v1.engines.list(),
    balance: await client.v1.user.balance(),
    made: await client.v1.generation.textToImage(engine, words, { ...short, width: 64, height: 64, samples: 2 }),
    begun: await client.v1.generation.imageToImage(engine, words, 'init.png', { ...short, image_strength: 0.9 }),
    masked: await client.v1.generation.imageToImageMasking(engine, words, 'init.png', {
      ...short, mask_source: 'MASK_IMAGE_WHITE', mask_image: 'mask.png',
    }),
    refused: await client.v1.generation.textToImage(engine, words, { width: 65 }).catch((error) => error.message),
  }
  for (const name of ['made', 'begun', 'masked']) {
    told[name] = told[name].map(({ filepath, seed }) => {
      const bytes = fs.readFileSync(filepath).toString('base64')
      fs.unlinkSync(filepath)
      return { bytes, seed }
    })
  }
  console.log(JSON.stringify(told))
}

main()
