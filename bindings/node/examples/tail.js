// Answers orders as they come: `node tail.js DIR`.
const { Consumer } = require('puro-streams');

async function main(dir) {
  const orders = await Consumer.open(dir, { topics: 'orders', name: 'desk' });
  for await (const order of orders) {
    console.log(order.offset, order.time.toISOString(), order.value.toString());
    if (order.value.toString() === 'close') break;
  }
  await orders.close();
}

main(process.argv[2]);
