"""3D detection data in MMDetection3D's layouts of Waymo's and KITTI's."""
