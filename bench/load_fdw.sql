INSERT INTO orders SELECT * FROM remote.orders;
