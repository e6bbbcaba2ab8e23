"use strict";
// Runs the network. Features are a Float32Array in the order row, column, channel.

/** Decodes base64 of little-endian float16 numbers. */
function decodeHalves(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return Float32Array.from(new Uint16Array(bytes.buffer), (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
  });
}

/** Gives each layer its part of the weights, which are stored in the order of the layers. */
function loadModel({ members, weights }) {
  const values = decodeHalves(weights);
  let position = 0;
  const take = (count) => {
    position += count;
    return values.subarray(position - count, position);
  };
  for (const layer of members.flatMap((member) => member.layers)) {
    if (layer.weights) layer.weights = take(layer.weights);
    if (layer.outputs) layer.bias = take(layer.outputs);
  }
  return members;
}

/**
 * The mean probability of each digit over the members, for 28×28 pixels in [0, 1], and the convolutions of the first
 * member with their features.
 */
function predict(members, pixels) {
  const results = members.map((member) => runNetwork(member, pixels));
  const probabilities = Array.from({ length: 10 }, (_, digit) => {
    const sum = results.reduce((total, result) => total + result.probabilities[digit], 0);
    return sum / members.length;
  });
  return { probabilities, convolutions: results[0].convolutions };
}

function runNetwork({ layers, temperature }, pixels) {
  let features = { rows: 28, columns: 28, channels: 1, values: pixels };
  const convolutions = [];
  for (const layer of layers) {
    features = LAYERS[layer.type](features, layer);
    if (layer.type === "conv") convolutions.push({ layer, features });
  }
  return { probabilities: softmax(features.values, temperature), convolutions };
}

function softmax(logits, temperature) {
  const highest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

const LAYERS = {
  conv(features, layer) {
    const { rows, columns, patches } = unfold(features, layer);
    const values = multiply(patches, rows * columns, layer);
    return { rows, columns, channels: layer.outputs, values };
  },

  dense(features, layer) {
    const values = multiply(features.values, 1, layer);
    return { rows: 1, columns: 1, channels: layer.outputs, values };
  },

  /** A scale and a shift for each channel: batch normalization. */
  scale(features, { weights, bias }) {
    const count = bias.length;
    const values = features.values.map((value, index) => value * weights[index % count] + bias[index % count]);
    return { ...features, values };
  },

  relu: (features) => ({ ...features, values: features.values.map((value) => Math.max(value, 0)) }),

  flatten: (features) => ({ rows: 1, columns: 1, channels: features.values.length, values: features.values }),

  /** The maximum of each window; without a size, of each channel. */
  maxpool(features, { size, stride }) {
    const [height, width] = size ?? [features.rows, features.columns];
    const [down, right] = stride ?? [1, 1];
    const { channels } = features;
    const rows = Math.floor((features.rows - height) / down) + 1;
    const columns = Math.floor((features.columns - width) / right) + 1;
    const values = new Float32Array(rows * columns * channels).fill(-Infinity);
    for (let row = 0; row < rows * height; row++) {
      const y = Math.floor(row / height) * down + (row % height);
      for (let column = 0; column < columns * width; column++) {
        const x = Math.floor(column / width) * right + (column % width);
        const from = (y * features.columns + x) * channels;
        const to = (Math.floor(row / height) * columns + Math.floor(column / width)) * channels;
        for (let channel = 0; channel < channels; channel++) {
          values[to + channel] = Math.max(values[to + channel], features.values[from + channel]);
        }
      }
    }
    return { rows, columns, channels, values };
  },
};

/** The inputs of each output pixel of a convolution, as the rows of a matrix. */
function unfold(features, { kernel, stride, padding }) {
  const { channels } = features;
  const rows = Math.floor((features.rows + padding[0] + padding[1] - kernel[0]) / stride[0]) + 1;
  const columns = Math.floor((features.columns + padding[2] + padding[3] - kernel[1]) / stride[1]) + 1;
  const patches = new Float32Array(rows * columns * kernel[0] * kernel[1] * channels);
  let position = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let i = 0; i < kernel[0]; i++) {
        const y = row * stride[0] + i - padding[0];
        for (let j = 0; j < kernel[1]; j++, position += channels) {
          const x = column * stride[1] + j - padding[2];
          if (y < 0 || y >= features.rows || x < 0 || x >= features.columns) continue;
          const start = (y * features.columns + x) * channels;
          for (let channel = 0; channel < channels; channel++) {
            patches[position + channel] = features.values[start + channel];
          }
        }
      }
    }
  }
  return { rows, columns, patches };
}

/**
 * `inputs` [count, size] times the transposed weights [outputs, size], plus the bias. The sums of four outputs for two
 * inputs are computed together, because they share what they read.
 */
function multiply(inputs, count, { weights, bias, outputs }) {
  const size = weights.length / outputs;
  const products = new Float32Array(count * outputs);
  for (let output = 0; output < outputs; output += 4) {
    const last = outputs - 1;
    const [w0, w1, w2, w3] = [0, 1, 2, 3].map((k) => Math.min(output + k, last) * size);
    for (let index = 0; index < count; index += 2) {
      const from0 = index * size;
      const from1 = Math.min(index + 1, count - 1) * size;
      // biome-ignore format: one line for each input
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      // biome-ignore format: one line for each input
      for (let k = 0; k < size; k++) {
        const a = inputs[from0 + k], b = inputs[from1 + k];
        const v0 = weights[w0 + k], v1 = weights[w1 + k], v2 = weights[w2 + k], v3 = weights[w3 + k];
        a0 += a * v0; a1 += a * v1; a2 += a * v2; a3 += a * v3;
        b0 += b * v0; b1 += b * v1; b2 += b * v2; b3 += b * v3;
      }
      const sums = [a0, a1, a2, a3, b0, b1, b2, b3];
      for (let k = 0; k < 8; k++) {
        const row = index + (k >> 2);
        const column = output + (k & 3);
        if (row < count && column < outputs) products[row * outputs + column] = sums[k] + bias[column];
      }
    }
  }
  return products;
}
